// Uses a server with @grpc/grpc-js, through stubs that @grpc/proto-loader makes of the project's .proto files. Prints a line for each check.
//
// usage: node session.mjs PROTOS ADDRESS...        an address is HOST:PORT or unix:PATH

import { createRequire } from 'node:module';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';

const require = createRequire(process.env.FOREIGN_MODULES ? process.env.FOREIGN_MODULES + '/' : import.meta.url);
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const [protos, ...addresses] = process.argv.slice(2);
const files = ['castore/protos/rpc_blobstore.proto', 'castore/protos/rpc_directory.proto', 'store/protos/rpc_pathinfo.proto'];
const definition = loader.loadSync(
  [...['tvix', 'snix'].flatMap(family => files.map(file => `${family}/${file}`)), 'grpc/health/v1/health.proto', 'grpc/reflection/v1/reflection.proto', 'grpc/reflection/v1alpha/reflection.proto'],
  { includeDirs: [protos], keepCase: true, longs: String, enums: String, defaults: false, oneofs: true });
const root = grpc.loadPackageDefinition(definition);

let failures = 0;
let where = '';
const check = (name, condition) => {
  console.log(`${condition ? 'ok    ' : 'FAILED '}grpc-js: ${where}: ${name}`);
  if (!condition) failures++;
};

const unary = (stub, method, request, options = {}) => new Promise((resolve, reject) =>
  stub[method](request, options, (error, answer) => error ? reject(error) : resolve(answer)));
const collect = stream => new Promise((resolve, reject) => {
  const all = [];
  stream.on('data', message => all.push(message)).on('end', () => resolve(all)).on('error', reject);
});
const upload = async (stub, method, messages, options = {}) => new Promise((resolve, reject) => {
  let end;
  const ended = new Promise(done => { end = done; });
  const call = stub[method](options, (error, answer) => { end(); error ? reject(error) : resolve(answer); });
  (async () => {
    for (const message of messages) {
      if (!call.write(message)) await Promise.race([once(call, 'drain'), ended]);
    }
    call.end();
  })();
});
const status = async promise => {
  try { await promise; return grpc.status.OK; } catch (error) { return error.code; }
};
const pieces = (data, size) => Array.from({ length: Math.ceil(data.length / size) }, (_, i) => ({ data: data.subarray(i * size, (i + 1) * size) }));

async function family(name, address, options = {}) {
  const credentials = grpc.credentials.createInsecure();
  const castore = root[name].castore.v1, store = root[name].store.v1;
  const blobs = new castore.BlobService(address, credentials, options);
  const directories = new castore.DirectoryService(address, credentials, options);
  const infos = new store.PathInfoService(address, credentials, options);
  const read = async digest => Buffer.concat((await collect(blobs.Read({ digest }))).map(message => message.data ?? Buffer.alloc(0)));

  const { digest } = await upload(blobs, 'Put', [{ data: Buffer.from('x86_64-linux') }]);
  check(`${name}: Put x86_64-linux`, digest.toString('base64') === 'KOM3/IHEx7YfInAnlJpAElYezq0Sxn9fRz7xuClwNfA=');
  check(`${name}: Read it back`, (await read(digest)).toString() === 'x86_64-linux');
  const large = randomBytes(10 << 20);
  const digests = [];
  for (const size of [4096, 65537, 1 << 20, (4 << 20) - 10_000]) digests.push((await upload(blobs, 'Put', pieces(large, size))).digest);
  check(`${name}: Put in pieces of all sizes gives one digest`, digests.every(other => other.equals(digests[0])));
  check(`${name}: Read 10 MiB`, (await read(digests[0])).equals(large));
  const stat = await unary(blobs, 'Stat', { digest: digests[0], send_chunks: true });
  check(`${name}: Stat lists chunks that make up the blob`, stat.chunks.reduce((sum, chunk) => sum + Number(chunk.size), 0) === large.length);
  check(`${name}: Stat of an absent blob`, await status(unary(blobs, 'Stat', { digest: Buffer.alloc(32) })) === grpc.status.NOT_FOUND);
  check(`${name}: Read of an absent blob`, await status(read(Buffer.alloc(32))) === grpc.status.NOT_FOUND);
  check(`${name}: Read of a short digest`, await status(read(Buffer.from('short'))) === grpc.status.INVALID_ARGUMENT);
  check(`${name}: Put of a message that is too long`, await status(upload(blobs, 'Put', [{ data: Buffer.alloc(5 << 20) }])) === grpc.status.RESOURCE_EXHAUSTED);

  const cancelled = blobs.Read({ digest: digests[0] });
  const ended = status(collect(cancelled));
  cancelled.once('data', () => cancelled.cancel());
  check(`${name}: Read cancelled in mid-stream`, await ended === grpc.status.CANCELLED);
  const hanging = new Promise((resolve, reject) => {
    const call = blobs.Put({ deadline: Date.now() + 300 }, (error, answer) => error ? reject(error) : resolve(answer));
    call.write({ data: Buffer.from('never to be stored') });
  });
  check(`${name}: deadline`, await status(hanging) === grpc.status.DEADLINE_EXCEEDED);

  const directory = { files: [{ name: Buffer.from('system'), digest, size: 12 }], symlinks: [{ name: Buffer.from('link'), target: Buffer.from('system') }] };
  const { root_digest: leaf } = await upload(directories, 'Put', [directory]);
  const parent = { directories: [{ name: Buffer.from('sub'), digest: leaf, size: 2 }] };
  const { root_digest: top } = await upload(directories, 'Put', [directory, parent]);
  const closure = await collect(directories.Get({ digest: top, recursive: true }));
  check(`${name}: Get a closure`, closure.length === 2 && closure[0].directories[0].digest.equals(leaf) && closure[1].files[0].digest.equals(digest));
  check(`${name}: Get of an absent directory`, await status(collect(directories.Get({ digest: Buffer.alloc(32) }))) === grpc.status.NOT_FOUND);
  check(`${name}: Put without a child is refused`, await status(upload(directories, 'Put', [parent])) === grpc.status.INVALID_ARGUMENT);

  const container = name === 'snix' ? 'entry' : 'node';
  const nar = await unary(infos, 'CalculateNAR', { directory: { digest: top, size: 3 } });
  check(`${name}: CalculateNAR`, Number(nar.nar_size) > 300 && nar.nar_sha256.length === 32);
  const key = Buffer.from([name === 'snix' ? 3 : 4, ...Buffer.alloc(19)]);
  const baseName = '0'.repeat(31) + (name === 'snix' ? '3' : '4') + '-example';
  const info = {
    [container]: { directory: { name: Buffer.from(baseName), digest: top, size: 3 } },
    narinfo: { nar_size: nar.nar_size, nar_sha256: nar.nar_sha256 },
  };
  await unary(infos, 'Put', info);
  const got = await unary(infos, 'Get', { by_output_hash: key });
  check(`${name}: Put and Get a path info`, got[container].directory.name.toString() === baseName && got.narinfo.nar_sha256.equals(nar.nar_sha256));
  check(`${name}: Get of an absent one`, await status(unary(infos, 'Get', { by_output_hash: Buffer.alloc(20, 9) })) === grpc.status.NOT_FOUND);
  const all = await collect(infos.List({}));
  check(`${name}: List has it`, all.some(one => one[container].directory?.name.toString() === baseName));
  [blobs, directories, infos].forEach(stub => stub.close());
}

for (where of addresses) {
  await family('tvix', where);
  await family('snix', where);
  const plain = where;
  where += ', gzip';
  await family('tvix', plain, { 'grpc.default_compression_algorithm': 2 });
  where = plain;
  const health = new root.grpc.health.v1.Health(where, grpc.credentials.createInsecure());
  check('health', (await unary(health, 'Check', { service: 'snix.store.v1.PathInfoService' })).status === 'SERVING');
  check('health of an unknown service', await status(unary(health, 'Check', { service: 'no.such' })) === grpc.status.NOT_FOUND);
  health.close();
  for (const version of ['v1', 'v1alpha']) {
    const reflection = new root.grpc.reflection[version].ServerReflection(where, grpc.credentials.createInsecure());
    const call = reflection.ServerReflectionInfo();
    const answers = collect(call);
    call.write({ list_services: '*' });
    call.write({ file_containing_symbol: 'snix.castore.v1.BlobService' });
    call.end();
    const [list, file] = await answers;
    check(`reflection ${version}: list`, list.list_services_response.service.some(service => service.name === 'snix.store.v1.PathInfoService'));
    check(`reflection ${version}: describe`, file.file_descriptor_response.file_descriptor_proto.length > 0);
    reflection.close();
  }
}

process.exit(failures ? 1 : 0);
