import { defineConfig } from 'vitest/config';

const FORKS = { environment: 'node', pool: 'forks', restoreMocks: true, unstubEnvs: true } as const;

export default defineConfig({
  test: {
    globalSetup: './test/postgres/global-setup.ts', // here and not in a project: one cluster for the whole run
    reporters: ['default', './tools/closing-line-reporter.mjs'],
    projects: [
      {
        test: {
          ...FORKS,
          name: 'unit',
          include: ['src/**/*.spec.ts', 'demo/**/*.spec.ts', 'test/**/*.spec.ts'],
          exclude: ['test/e2e/**', 'test/scale/**', 'test/faults/**', '**/node_modules/**'],
          testTimeout: 20_000,
          hookTimeout: 60_000,
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        // Whole gateways and a browser: one file at a time, after everything else, or two cores starve them.
        test: {
          ...FORKS,
          name: 'e2e',
          include: ['test/e2e/**/*.spec.ts', 'test/scale/**/*.spec.ts', 'test/faults/**/*.spec.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
