import { Injectable } from '@nestjs/common';
import {
  type EventId,
  type JsonValue,
  type Lpdu,
  type ParsedJson,
  type Pdu,
  ROOM_VERSIONS,
  type RoomAlias,
  type RoomId,
  type ServerName,
  type UserId,
  type VerifyKeys,
  eventIdOf,
  federationPath,
  isJsonObject,
  parseEventId,
  parseRoomId,
  parseServerName,
  requiredSigners,
  serverOfAlias,
} from '../../protocol/index.js';
import {
  type HandshakeMembership,
  type InviteRequest,
  type MemberTemplate,
  RemoteServers,
} from '../../rooms/remote-servers.js';
import { failedPdus } from '../failed-pdus.js';
import { FederationClient, requestBody } from './federation-client.js';
import { RemoteKeys } from './remote-keys.js';

const MAX_ALIAS_SERVERS = 50;
const MAX_BACKFILL_BYTES = 16 * 1024 * 1024; // 100 events, however they are written
const MAX_EVENT_BYTES = 1024 * 1024;
const NO_KEYS: VerifyKeys = new Map();

/** `rooms`' way to other servers, over the federation API. */
@Injectable()
export class FederationRemoteServers extends RemoteServers {
  constructor(
    private readonly client: FederationClient,
    private readonly keys: RemoteKeys,
  ) {
    super();
  }

  async keysFor(events: readonly (Pdu | Lpdu)[]): Promise<(server: ServerName) => VerifyKeys> {
    const wanted = new Map<ServerName, Set<string>>();
    for (const event of events) {
      for (const server of requiredSigners(event)) {
        const ids = wanted.get(server) ?? new Set();
        for (const keyId of Object.keys(event.signatures[server] ?? {})) ids.add(keyId);
        wanted.set(server, ids);
      }
    }
    const found = new Map<ServerName, VerifyKeys>();
    await Promise.all(
      [...wanted].map(async ([server, ids]) => found.set(server, await this.keys.eventKeys(server, [...ids]))),
    );
    return (server) => found.get(server) ?? NO_KEYS;
  }

  async makeMember(
    membership: HandshakeMembership,
    hub: ServerName,
    roomId: RoomId,
    userId: UserId,
  ): Promise<MemberTemplate> {
    const versions = ROOM_VERSIONS.map((version) => `ver=${encodeURIComponent(version)}`).join('&');
    const { value } = await this.client.send(hub, {
      method: 'GET',
      path: `${federationPath(`make_${membership}`, roomId, userId)}?${versions}`,
    });
    const answer = isJsonObject(value) ? value : {};
    const template = isJsonObject(answer.event) ? answer.event : answer;
    const [head] = Array.isArray(template.prev_events) ? template.prev_events : [];
    return {
      roomVersion: typeof answer.room_version === 'string' ? answer.room_version : undefined,
      headEventId: parseEventId(head),
    };
  }

  sendMember(membership: HandshakeMembership, hub: ServerName, lpdu: Lpdu, txnId: EventId): Promise<ParsedJson> {
    return this.post(hub, federationPath(`send_${membership}`, txnId), lpdu);
  }

  sendInvite(server: ServerName, invite: InviteRequest, txnId: EventId): Promise<ParsedJson> {
    const { event, strippedState, roomVersion } = invite;
    const body = { event, invite_room_state: strippedState, room_version: roomVersion };
    return this.post(server, federationPath('invite', txnId), body);
  }

  async sendLpdu(hub: ServerName, lpdu: Lpdu): Promise<string | undefined> {
    const value = { pdus: [lpdu] };
    const reference = eventIdOf(lpdu);
    const path = federationPath('send', reference);
    const answer = await this.client.send(hub, { method: 'PUT', path, body: requestBody(value) });
    return failedPdus(answer.value).get(reference);
  }

  backfill(hub: ServerName, roomId: RoomId, from: EventId, limit: number): Promise<ParsedJson> {
    const query = `v=${encodeURIComponent(from)}&limit=${String(limit)}`;
    const path = `${federationPath('backfill', roomId)}?${query}`;
    return this.client.send(hub, { method: 'GET', path, maxBytes: MAX_BACKFILL_BYTES });
  }

  event(hub: ServerName, eventId: EventId): Promise<ParsedJson> {
    const path = federationPath('event', eventId);
    return this.client.send(hub, { method: 'GET', path, maxBytes: MAX_EVENT_BYTES });
  }

  state(hub: ServerName, roomId: RoomId, eventId: EventId): Promise<ParsedJson> {
    const path = `${federationPath('state', roomId)}?event_id=${encodeURIComponent(eventId)}`;
    return this.client.send(hub, { method: 'GET', path });
  }

  async resolveAlias(alias: RoomAlias): Promise<{ roomId: RoomId; servers: ServerName[] } | undefined> {
    const path = `/_matrix/federation/v1/query/directory?room_alias=${encodeURIComponent(alias)}`;
    const { value } = await this.client.send(serverOfAlias(alias), { method: 'GET', path });
    const roomId = isJsonObject(value) ? parseRoomId(value.room_id) : undefined;
    if (!isJsonObject(value) || roomId === undefined) return undefined;
    const named = Array.isArray(value.servers) ? value.servers.slice(0, MAX_ALIAS_SERVERS) : [];
    return { roomId, servers: named.flatMap((server) => parseServerName(server) ?? []) };
  }

  async sendPdu(server: ServerName, pdu: Pdu): Promise<void> {
    const value = { pdus: [pdu] };
    const path = federationPath('send', eventIdOf(pdu));
    await this.client.send(server, { method: 'PUT', path, body: requestBody(value) });
  }

  private post(server: ServerName, path: string, value: JsonValue): Promise<ParsedJson> {
    return this.client.send(server, { method: 'POST', path, body: requestBody(value) });
  }
}
