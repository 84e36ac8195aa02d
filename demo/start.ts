import { resolve } from 'node:path';
import { startTwoCompanies } from './two-companies.js';

const FIRST_PORT = 4100;

async function main(): Promise<void> {
  const data = resolve(process.env.DEMO_DATA ?? 'demo/data');
  const firstPort = Number(process.env.DEMO_PORT ?? FIRST_PORT);
  if (!Number.isInteger(firstPort) || firstPort < 1024 || firstPort > 65_529) {
    throw new Error('DEMO_PORT must be a port number from 1024 to 65529.');
  }
  console.log('Starting two companies: a chat and a gateway for each …');
  const companies = await startTwoCompanies(data, firstPort);
  const { acme, globex } = companies;
  let stopping = false;
  const end = (): void => {
    if (stopping) return;
    stopping = true;
    console.log('\nStopping …');
    void companies.stop().then(() => process.exit(0));
  };
  process.on('SIGINT', end);
  process.on('SIGTERM', end);
  console.log(`
Two companies share a channel. Their gateways know each other only through Linearized Matrix, over TLS.

  ${acme.company.name.padEnd(20)} ${acme.page}
  ${globex.company.name.padEnd(20)} ${globex.page}

Try: open both pages side by side and write in one: it appears in the other, with name and company.
     Become somebody else with the name at the top left of the page.
     #general is mapped to nothing: what is said there stays in the company.

  Admin API            ${acme.adminUrl}/_causeway/openapi.json and ${globex.adminUrl}/_causeway/openapi.json
  Data, logs, secrets  ${data}

Ctrl-C stops everything; the next start finds the history again.
`);
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
