import type { TestProject } from 'vitest/node';
import { findPostgresBinaries, startCluster } from './cluster.js';

declare module 'vitest' {
  interface ProvidedContext {
    /** The run's throw-away PostgreSQL as superuser; undefined when the machine has none. */
    postgresUrl: string | undefined;
  }
}

export default async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  const required = (process.env.CAUSEWAY_REQUIRE ?? '').split(',').includes('postgres');
  const binaries = findPostgresBinaries();
  if (binaries === undefined) {
    const missing = 'PostgreSQL is not installed (looked at PG_BIN, /usr/lib/postgresql and PATH)';
    if (required) throw new Error(`${missing}, and CAUSEWAY_REQUIRE names it`);
    process.stderr.write(`\n!!! ${missing}: every test on PostgreSQL is SKIPPED\n\n`);
    project.provide('postgresUrl', undefined);
    return undefined;
  }
  const cluster = await startCluster(binaries);
  project.provide('postgresUrl', cluster.url);
  return () => cluster.stop();
}
