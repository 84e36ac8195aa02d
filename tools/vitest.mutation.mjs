import { defineConfig } from 'vitest/config';

// The tests that judge src/protocol: fast, deterministic, without a database. The others would only cost time.
export default defineConfig({
  test: {
    environment: 'node',
    include: ['src/protocol/**/*.spec.ts', 'test/conformance/**/*.spec.ts'],
    exclude: ['test/conformance/discovery.spec.ts', '**/node_modules/**'],
    restoreMocks: true,
  },
});
