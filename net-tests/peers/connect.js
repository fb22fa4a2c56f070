// One connection by Node: HOST PORT ADDRESSES SECONDS.
const net = require('node:net');
const { performance } = require('node:perf_hooks');

const [host, port, list, limit] = process.argv.slice(1);
const addresses = list.split(',').filter(Boolean);
const fixed = (_name, _options, done) =>
  done(null, addresses.map((address) => ({ address, family: net.isIP(address) })));

const start = performance.now();
const end = (address, error) => {
  const seconds = ((performance.now() - start) / 1000).toFixed(6);
  process.stdout.write([address, seconds, seconds, error].join('\t') + '\n');
  process.exit();
};
const options = { host, port: Number(port), autoSelectFamily: true };
const socket = net.connect(addresses.length ? { ...options, lookup: fixed } : options);
socket.on('connect', () => end(socket.remoteAddress, ''));
socket.on('error', (error) => end('', error.code ?? error.message));
setTimeout(() => end('', ''), Number(limit) * 1000);
