// The load of benchmarks/Tvix.Benchmarks/Grpc/GrpcLoad.cs with @grpc/grpc-js.   usage: node client.mjs PROTOS HOST:PORT PIECE WORK...
import { createRequire } from 'node:module';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';

const require = createRequire(process.env.FOREIGN_MODULES + '/');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const SMALL = 1024;
const SMALL_SECONDS = 0.5;

const [protos, address, pieceSize, ...works] = process.argv.slice(2);
const root = grpc.loadPackageDefinition(loader.loadSync('tvix/castore/protos/rpc_blobstore.proto', { includeDirs: [protos] }));
const stub = new root.tvix.castore.v1.BlobService(address, grpc.credentials.createInsecure(), {
  'grpc.max_receive_message_length': 4 << 20,
  'grpc-node.flow_control_window': 4 << 20,
});
const piece = randomBytes(Number(pieceSize));
const digests = new Map();
let serial = BigInt(Date.now()) * 1000000n;

const put = (length, fresh) => new Promise((resolve, reject) => {
  const call = stub.Put((error, answer) => error ? reject(error) : resolve(answer.digest));
  let at = 0;
  const send = () => {
    let room = true;
    while (at < length && room) {
      const data = fresh ? randomBytes(Math.min(piece.length, length)) : piece.subarray(0, Math.min(piece.length, length - at));
      for (let i = 0; i + 8 <= data.length; i += 4096) data.writeBigInt64LE(serial++, i);
      room = call.write({ data });
      at += data.length;
    }
    if (at < length) call.once('drain', send); else call.end();
  };
  send();
});
const read = (digest, expected) => new Promise((resolve, reject) => {
  let length = 0;
  stub.Read({ digest })
    .on('data', chunk => { length += chunk.data.length; })
    .on('error', reject)
    .on('end', () => length === expected ? resolve(length) : reject(new Error(`${length} bytes instead of ${expected}`)));
});
const repeat = async (parallel, call) => {
  const end = performance.now() + SMALL_SECONDS * 1000;
  let calls = 0;
  await Promise.all(Array.from({ length: parallel }, async () => {
    while (performance.now() < end) {
      await call();
      calls++;
    }
  }));
  return calls;
};
const run = async (work, amount) => {
  switch (work) {
    case 'put':
      digests.set(amount, await put(amount));
      return amount;
    case 'read':
      return await read(digests.get(amount), amount);
    case 'sput':
      return await repeat(amount, () => put(SMALL, true));
    case 'sread': {
      const digest = await put(SMALL, true);
      return await repeat(amount, () => read(digest, SMALL));
    }
  }
};

const serverCpu = () => {
  const fields = readFileSync(`/proc/${process.env.SERVER_PID ?? process.pid}/stat`, 'latin1').split(' ');
  return (Number(fields[13]) + Number(fields[14])) / 100;
};

for (let i = 0; i < 2; i++) for (const [work, amount] of [['put', 64 << 20], ['read', 64 << 20], ['sput', 8], ['sread', 8]]) await run(work, amount);
for (const text of works) {
  const [work, amount] = text.split(':');
  const server = serverCpu();
  const cpu = process.cpuUsage();
  const start = performance.now();
  const done = await run(work, Number(amount));
  const seconds = (performance.now() - start) / 1000;
  const used = process.cpuUsage(cpu);
  console.log(`${text} ${done} ${seconds.toFixed(4)} ${((used.user + used.system) / 1e6).toFixed(4)} ${(serverCpu() - server).toFixed(2)}`);
}
stub.close();
