import { expect, it } from 'vitest';
import { readSettings, SettingsError } from './settings.js';

const ENVIRONMENT = {
  CHAT_PORT: '8101',
  CHAT_DATABASE: 'data/acme.sqlite',
  CHAT_WORKSPACE_ID: 'acme',
  CHAT_WORKSPACE_NAME: 'Acme Industries',
  CHAT_TOKEN: 'secret',
  CHAT_PEOPLE: '[{"username":"ada","displayName":"Ada Lovelace"}]',
  CHAT_CHANNELS: '["general"]',
};

it('host and colour may be absent', () => {
  expect(readSettings(ENVIRONMENT)).toEqual({
    port: 8101,
    databasePath: 'data/acme.sqlite',
    workspace: { id: 'acme', name: 'Acme Industries' },
    token: 'secret',
    people: [{ username: 'ada', displayName: 'Ada Lovelace' }],
    channels: ['general'],
  });
  expect(readSettings({ ...ENVIRONMENT, CHAT_HOST: '0.0.0.0', CHAT_ACCENT: '#AA3355' })).toMatchObject({
    host: '0.0.0.0',
    accent: '#AA3355',
  });
});

it('further names of the page are a list', () => {
  const { hostnames } = readSettings({ ...ENVIRONMENT, CHAT_HOSTNAMES: '["chat.acme.example"]' });
  expect(hostnames).toEqual(['chat.acme.example']);
});

it.each(Object.keys(ENVIRONMENT))('a missing %s is named', (name) => {
  expect(() => readSettings({ ...ENVIRONMENT, [name]: ' ' })).toThrow(new SettingsError(`${name} is missing.`));
});

it.each([
  ['CHAT_PORT', '65536'],
  ['CHAT_PORT', 'http'],
  ['CHAT_TOKEN', 'two words'],
  ['CHAT_ACCENT', 'red'],
  ['CHAT_PEOPLE', '{'],
  ['CHAT_PEOPLE', '[]'],
  ['CHAT_PEOPLE', '["ada"]'],
  ['CHAT_PEOPLE', '[{"username":"a b","displayName":"A"}]'],
  ['CHAT_PEOPLE', '[{"username":"ada"}]'],
  ['CHAT_PEOPLE', '[{"username":"ada","displayName":"A"},{"username":"ada","displayName":"B"}]'],
  ['CHAT_HOSTNAMES', 'chat.acme.example'],
  ['CHAT_HOSTNAMES', '["https://chat.acme.example"]'],
  ['CHAT_CHANNELS', '["#general"]'],
  ['CHAT_CHANNELS', '["general","general"]'],
])('%s = %s is refused with one sentence that names it', (name, value) => {
  expect(() => readSettings({ ...ENVIRONMENT, [name]: value })).toThrow(new RegExp(`^${name} [^\n]*\\.$`));
});
