import type { EventEmitter } from 'node:events';
import { pathToFileURL } from 'node:url';
import type { JsonObject, Pdu, RoomId } from '../../src/protocol/index.js';
import { sharedPath } from '../conformance/vectors.js';

export interface PeerAnswer {
  status: number;
  text: string;
  json: JsonObject | undefined;
}

/** What the tests use of shared/peer/lm-peer.mjs. */
export interface Peer extends EventEmitter {
  serverName: string;
  port: number;
  peers: Record<string, string>;
  problems: { what: string }[];
  received: { pdu: Pdu; id: string }[];
  invites: Pdu[];
  requests: { method: string; path?: string; url?: string }[];
  rooms: Map<string, { roomId: RoomId; timeline: unknown[] }>;
  joined: Map<string, unknown>;
  faults: { add(...specs: string[]): void; clear(): void };
  key: { keyId: string; signEvent<T>(event: T): T };
  user(localpart: string): string;
  path(endpoint: string, rest: string): string;
  createRoom(options?: { joinRule?: string; creator?: string }): Promise<{ roomId: RoomId; timeline: unknown[] }>;
  join(hub: string, roomId: RoomId, userId?: string): Promise<JsonObject>;
  knock(hub: string, roomId: RoomId, userId?: string, reason?: string): Promise<JsonObject>;
  leave(roomId: RoomId, userId?: string, hub?: string): Promise<unknown>;
  say(roomId: RoomId, body: string, sender?: string): Promise<JsonObject>;
  event(roomId: RoomId, type: string, content: JsonObject, stateKey?: string, sender?: string): Promise<JsonObject>;
  lpdu(fields: JsonObject, fault?: JsonObject): JsonObject;
  send(
    destination: string,
    pdus: unknown[],
    options?: { txnId?: string; edus?: unknown[]; auth?: boolean },
  ): Promise<PeerAnswer>;
  request(
    method: string,
    destination: string,
    path: string,
    body?: unknown,
    options?: { auth?: boolean; headers?: Record<string, string>; raw?: string | Uint8Array },
  ): Promise<PeerAnswer>;
  backfill(hub: string, roomId: RoomId, id: string, limit?: number): Promise<PeerAnswer>;
  until(condition: () => unknown, what?: string, ms?: number): Promise<void>;
  close(): Promise<void>;
}

interface PeerModule {
  Peer: new (name: string, options?: Record<string, unknown>) => Peer & { listen(): Promise<Peer> };
  eventId(event: unknown): string;
}

const load = (): Promise<PeerModule> =>
  import(pathToFileURL(sharedPath('peer/lm-peer.mjs')).href) as Promise<PeerModule>;

/** A scripted server on any free port of this machine. */
export async function startPeer(name: string, options: Record<string, unknown> = {}): Promise<Peer> {
  const { Peer } = await load();
  return new Peer(name, { listen: 0, ...options }).listen();
}

export const peerUrl = (peer: Peer): string => `http://127.0.0.1:${String(peer.port)}`;

export async function idOf(event: unknown): Promise<string> {
  return (await load()).eventId(event);
}
