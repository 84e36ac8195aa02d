import { PersonalNoticeEntity } from '../../../src/persistence/entities/index.js';
import type { RoomId, UserId } from '../../../src/protocol/index.js';
import { ADA, ChatInMemory, startWithChat } from '../../support/chat-in-memory.js';
import type { TestGateway } from '../../support/gateway.js';

export const ACME = 'acme.example';
export const GLOBEX = 'globex.example';
/** Ada of Globex, by her address. */
export const GLOBEX_ADA = '@ada:globex.example' as UserId;
export const ACME_ADA = '@ada:acme.example' as UserId;

/** Acme and Globex, each with a chat in memory in which Ada and Bob are. */
export class TwoChats {
  readonly acme = new ChatInMemory('acme');
  readonly globex = new ChatInMemory('globex');
  a!: TestGateway;
  g!: TestGateway;

  /** `env`: of Acme. `createUrl`: where the databases of both are. */
  async start(
    env: Record<string, string> = {},
    { others = {}, createUrl }: { others?: Record<string, string>; createUrl?: () => Promise<string> } = {},
  ): Promise<this> {
    const database = async (): Promise<Record<string, string>> =>
      createUrl === undefined ? {} : { CAUSEWAY_DATABASE_URL: await createUrl() };
    const peers = new Map(Object.entries(others).map(([name, url]) => [name, new URL(url)]));
    this.a = await startWithChat(ACME, this.acme, peers, { env: { ...(await database()), ...env } });
    this.g = await startWithChat(GLOBEX, this.globex, peers, { env: await database() });
    return this;
  }

  async close(): Promise<void> {
    await this.a.close();
    await this.g.close();
  }

  /** So that the person has an address: they have asked for something. */
  async greet(): Promise<void> {
    for (const chat of [this.acme, this.globex]) await chat.asks('help', { as: ADA });
  }

  membership(gateway: TestGateway, roomId: RoomId, user: UserId): Promise<string> {
    return gateway.reader.membership(roomId, user);
  }
}

export const undelivered = (gateway: TestGateway): Promise<PersonalNoticeEntity[]> =>
  gateway.database.read.findBy(PersonalNoticeEntity, { state: 'dead' });

/** The room id in what somebody was told. */
export function roomIn(text: string): RoomId {
  const [id] = /![A-Za-z0-9._~-]+:[a-z0-9.-]*[a-z0-9]/.exec(text) ?? [];
  if (id === undefined) throw new Error(`there is no room in “${text}”`);
  return id as RoomId;
}

/** The number of the invite in what somebody was told. */
export function numberIn(text: string): string {
  const [, number] = /accept (\d{4})/.exec(text) ?? [];
  if (number === undefined) throw new Error(`there is no invite in “${text}”`);
  return number;
}
