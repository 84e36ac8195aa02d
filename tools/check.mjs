// Everything static, each step even when one before it failed, so that one run tells all.
import { spawnSync } from 'node:child_process';

const STEPS = [
  ['types', 'tsc', ['-p', 'tsconfig.json', '--noEmit']],
  ['lint', 'eslint', ['.']],
  ['format', 'prettier', ['--check', '.', '--log-level', 'warn']],
  ['dependencies', 'depcruise', ['--config', '.dependency-cruiser.cjs', 'src', 'demo']],
  ['conformance', 'node', ['tools/conformance.mjs', '--check']],
];

const failed = STEPS.filter(([name, command, args]) => {
  console.log(`— ${name}`);
  const [program, before] = command === 'node' ? [process.execPath, []] : ['npx', ['--no-install', command]];
  return spawnSync(program, [...before, ...args], { stdio: 'inherit' }).status !== 0;
});
if (failed.length > 0) {
  console.error(`failed: ${failed.map(([name]) => name).join(', ')}`);
  process.exit(1);
}
