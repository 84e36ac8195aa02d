// Brings a fresh clone to where it can run: what is missing or stale is installed and built. Nothing but Node is needed.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const INSTALLED = join(ROOT, 'node_modules/.package-lock.json');
// With --failpoints also the build for the fault suite.
const FAILPOINTS = process.argv.slice(2).filter((argument) => argument === '--failpoints');
const BUILT = ['dist/.built', ...FAILPOINTS.map(() => 'dist-faults/.built')].map((path) => join(ROOT, path));
const MINIMUM = [20, 19];

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < MINIMUM[0] || (major === MINIMUM[0] && minor < MINIMUM[1])) {
  fail(`Node ${MINIMUM.join('.')} or newer is needed; this is ${process.versions.node}.`);
}
if (timeOf(INSTALLED) < timeOf(join(ROOT, 'package-lock.json'))) {
  console.log('Installing the dependencies (a minute or two, once) …');
  run('npm', ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error']);
  utimesSync(INSTALLED, new Date(), new Date());
}
const sources = ['src', 'demo', 'tools/build.mjs', 'tsconfig.json', 'tsconfig.build.json', 'package-lock.json'];
if (Math.min(...BUILT.map(timeOf)) < Math.max(...sources.map((each) => newestIn(join(ROOT, each))))) {
  console.log('Building …');
  const started = new Date();
  run(process.execPath, [join(ROOT, 'tools/build.mjs'), ...FAILPOINTS]);
  for (const built of BUILT) {
    writeFileSync(built, '');
    utimesSync(built, started, started);
  }
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, {
    cwd: ROOT,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
  if (error) fail(`${command} could not be started: ${error.message}`);
  if (status !== 0) fail(`“${command} ${args.join(' ')}” failed.`);
}

function timeOf(path) {
  return existsSync(path) ? statSync(path).mtimeMs : 0;
}

function newestIn(path) {
  if (!statSync(path).isDirectory()) return timeOf(path);
  const inside = readdirSync(path).filter((name) => name !== 'data' && name !== 'web' && !name.endsWith('.spec.ts'));
  return Math.max(0, ...inside.map((name) => newestIn(join(path, name))));
}

function fail(sentence) {
  console.error(sentence);
  process.exit(1);
}
