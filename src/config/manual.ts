import { SETTINGS } from './settings.js';

/** docs/configuration.md: every key, from the schema itself. */
export function configurationManual(): string {
  const rows = SETTINGS.map(
    ({ key, about, defaultText }) => `| \`${key}\` | ${about.replaceAll('|', '\\|')} | ${defaultText} |`,
  );
  return `# Configuration

Made from the schema in \`src/config/settings.ts\`; the test beside it keeps this page true.

Keys stand in \`causeway.yaml\` in the working directory (or the file that \`CAUSEWAY_CONFIG\` names), upper or lower case, or in
the environment with the prefix \`CAUSEWAY_\`; the environment wins. Any key may end in \`_FILE\`: then it names a file that holds
the value, which is how secrets are best given. A key that is unknown, missing or wrong stops the start with one sentence that
names it (exit code 78).

| key | meaning | default |
|---|---|---|
${rows.join('\n')}
`;
}
