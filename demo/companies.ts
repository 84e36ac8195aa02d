export interface Company {
  name: string;
  /** Server name of the gateway, and domain of its users. */
  server: string;
  workspace: string;
  accent: string;
  people: { username: string; displayName: string }[];
  channels: string[];
  /** The channel that is shared with the other company. */
  shared: string;
  /** Channel id of `shared` in the chat's own database: channels are numbered in their order. */
  sharedId: string;
}

export const ACME: Company = {
  name: 'Acme Industries',
  server: 'acme.example',
  workspace: 'acme',
  accent: '#2f6fde',
  people: [
    { username: 'ada', displayName: 'Ada Lovelace' },
    { username: 'charles', displayName: 'Charles Babbage' },
  ],
  channels: ['globex-project', 'general'],
  shared: 'globex-project',
  sharedId: 'C1',
};

export const GLOBEX: Company = {
  name: 'Globex Corporation',
  server: 'globex.example',
  workspace: 'globex',
  accent: '#b4532a',
  people: [
    { username: 'grace', displayName: 'Grace Hopper' },
    { username: 'edsger', displayName: 'Edsger Dijkstra' },
  ],
  channels: ['acme-project', 'general'],
  shared: 'acme-project',
  sharedId: 'C1',
};
