import js from '@eslint/js';
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

export default defineConfig(
  { ignores: ['dist/', 'dist-faults/', 'coverage/', 'demo/data/', 'data/', 'test-results/', '.stryker-tmp/'] },
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { project: './tsconfig.json', tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-extraneous-class': ['error', { allowWithDecorator: true }],
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      // Units of work and listeners are asynchronous by contract, whatever one of them does.
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      // Options of Nest and TypeORM are declared as classes and given as literals.
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
      '@typescript-eslint/no-unnecessary-condition': ['error', { allowConstantLoopConditions: true }],
    },
  },
  {
    // The loops' conditions change while they await; the linter believes that they cannot.
    files: ['src/bridge/**', 'src/federation/delivery/**', 'src/platform/http/**', 'src/rooms/hub.ts'],
    rules: { '@typescript-eslint/no-unnecessary-condition': 'off' },
  },
  {
    files: ['src/protocol/**'],
    // What is told of hostile input may be of any shape; it is told as text.
    rules: { '@typescript-eslint/no-base-to-string': 'off' },
  },
  {
    files: ['**/*.spec.ts', 'test/**/*.ts'],
    // Asymmetric matchers and vector files are `any` by their nature; assertions give them their shape.
    rules: {
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unnecessary-type-parameters': 'off',
      '@typescript-eslint/no-unnecessary-condition': 'off',
    },
  },
  {
    files: ['src/persistence/migrations/**/*.ts', 'src/**/*.entity.ts'],
    rules: { '@typescript-eslint/no-extraneous-class': 'off' },
  },
  {
    files: ['**/*.mjs', '**/*.cjs', '**/*.js'],
    ignores: ['demo/chat/web/**'],
    languageOptions: {
      globals: {
        console: 'readonly',
        process: 'readonly',
        URL: 'readonly',
        module: 'writable',
        setTimeout: 'readonly',
        performance: 'readonly',
        fetch: 'readonly',
        Buffer: 'readonly',
        AbortSignal: 'readonly',
      },
    },
  },
  {
    files: ['demo/chat/web/**/*.js'],
    languageOptions: { globals: browserGlobals() },
  },
);

function browserGlobals() {
  const names = [
    'document',
    'window',
    'location',
    'history',
    'fetch',
    'EventSource',
    'localStorage',
    'sessionStorage',
    'navigator',
    'crypto',
    'URL',
    'URLSearchParams',
    'setTimeout',
    'clearTimeout',
    'setInterval',
    'clearInterval',
    'console',
    'matchMedia',
    'requestAnimationFrame',
    'Intl',
    'Node',
    'HTMLElement',
    'Event',
    'CustomEvent',
    'AbortController',
    'AbortSignal',
    'Element',
    'CSS',
    'queueMicrotask',
    'structuredClone',
    'ResizeObserver',
    'getComputedStyle',
    'addEventListener',
    'TextEncoder',
  ];
  return Object.fromEntries(names.map((name) => [name, 'readonly']));
}
