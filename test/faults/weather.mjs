// Loaded into a gateway before its own code: the clock and the DNS of that process obey a file, {"clockMs": ±n, "dns": "down"}.
import dns from 'node:dns';
import { existsSync, readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';

const LOOK_AGAIN_MS = 50;
const file = process.env.WEATHER;
const RealDate = Date;
let weather = {};
let looked = -Infinity;

function now() {
  if (performance.now() - looked > LOOK_AGAIN_MS) {
    looked = performance.now();
    if (existsSync(file)) weather = JSON.parse(readFileSync(file, 'utf8'));
  }
  return weather;
}

globalThis.Date = class Date extends RealDate {
  constructor(...parts) {
    super(...(parts.length === 0 ? [Date.now()] : parts));
  }
  static now() {
    return RealDate.now() + (now().clockMs ?? 0);
  }
};

// Names under .test are this machine's.
const { lookup } = dns;
dns.lookup = (hostname, options, callback = options) => {
  if (!hostname.endsWith('.test')) return lookup(hostname, options, callback);
  if (now().dns === 'down') {
    const error = Object.assign(new Error(`getaddrinfo EAI_AGAIN ${hostname}`), { code: 'EAI_AGAIN', hostname });
    return process.nextTick(callback, error);
  }
  return process.nextTick(
    callback,
    null,
    ...(options.all ? [[{ address: '127.0.0.1', family: 4 }]] : ['127.0.0.1', 4]),
  );
};
