// The bare server of benchmarks/Tvix.Benchmarks/Grpc/BareServer.cs with @grpc/grpc-js.   usage: node server.mjs PROTOS PIECE
import { createRequire } from 'node:module';
import { randomBytes } from 'node:crypto';

const require = createRequire(process.env.FOREIGN_MODULES + '/');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const [protos, pieceSize] = process.argv.slice(2);
const root = grpc.loadPackageDefinition(loader.loadSync('tvix/castore/protos/rpc_blobstore.proto', { includeDirs: [protos] }));
const piece = randomBytes(Number(pieceSize));

const server = new grpc.Server({ 'grpc-node.max_session_memory': 256 });
server.addService(root.tvix.castore.v1.BlobService.service, {
  Stat: (call, done) => done(null, {}),
  Read: call => {
    let rest = Number(call.request.digest.readBigInt64BE());
    const send = () => {
      let room = true;
      while (rest > 0 && room) {
        room = call.write({ data: rest >= piece.length ? piece : piece.subarray(0, rest) });
        rest -= piece.length;
      }
      if (rest > 0) call.once('drain', send); else call.end();
    };
    send();
  },
  Put: (call, done) => {
    let length = 0;
    call.on('data', chunk => { length += chunk.data.length; });
    call.on('end', () => {
      const digest = Buffer.alloc(32);
      digest.writeBigInt64BE(BigInt(length));
      done(null, { digest });
    });
  },
});
server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  console.log(`listening ${port}`);
});
