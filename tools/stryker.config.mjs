import { fileURLToPath } from 'node:url';

// The tests run in a copy of the project, which has no ../shared beside it.
process.env.CAUSEWAY_SHARED ??= fileURLToPath(new URL('../../shared', import.meta.url));

/** Mutation testing of the protocol core: every survivor is a rule that no test holds. @type {import('@stryker-mutator/api/core').PartialStrykerOptions} */
export default {
  testRunner: 'vitest',
  vitest: { configFile: 'tools/vitest.mutation.mjs' },
  mutate: ['src/protocol/**/*.ts', '!src/protocol/**/*.spec.ts'],
  ignorePatterns: ['dist', 'data', 'demo', 'docs', 'docker', 'coverage', 'test-results', 'src/*', '!src/protocol'],
  coverageAnalysis: 'perTest',
  concurrency: 2,
  timeoutMS: 20_000, // the machine may be busy; a mutant that loops is still found
  incremental: false,
  tempDirName: '.stryker-tmp',
  reporters: ['clear-text', 'html'],
  htmlReporter: { fileName: 'test-results/mutation.html' },
  clearTextReporter: { allowColor: false, logTests: false, reportTests: false },
  thresholds: { high: 95, low: 90, break: 90 },
};
