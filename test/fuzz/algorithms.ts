import type { RequestListener } from 'node:http';
import { pathToFileURL } from 'node:url';
import type { JsonObject, RoomId } from '../../src/protocol/index.js';
import { sharedPath } from '../conformance/vectors.js';

/** By key id. */
export type PublicKeys = Record<string, string>;

export interface PeerKey {
  serverName: string;
  keyId: string;
  public: string;
  signature(object: JsonObject): string;
  signObject(object: JsonObject): JsonObject;
  signEvent(event: JsonObject): JsonObject;
}

export interface ScriptedRoom {
  roomId: RoomId;
  timeline: JsonObject[];
  /** Asks the server of a user to be invited. */
  invite(userId: string): Promise<JsonObject>;
}

/** A scripted peer without a listener of its own. */
export interface ScriptedHub {
  peers: Record<string, string>;
  listener: RequestListener;
  createRoom(options: { creator: string; joinRule: string }): Promise<ScriptedRoom>;
  say(roomId: RoomId, body: string, sender?: string): Promise<JsonObject>;
  send(destination: string, pdus: JsonObject[]): Promise<{ status: number; text: string }>;
  close(): Promise<void>;
}

/** The scripted peer's own algorithms: the oracle must not believe what the gateway's code says of itself. */
interface Algorithms {
  Peer: new (serverName: string, options: Record<string, unknown>) => ScriptedHub;
  UNSTABLE: string;
  SigningKey: new (serverName: string, seed: Uint8Array, keyId?: string) => PeerKey;
  canonical: (value: unknown) => string;
  lpduHash: (event: JsonObject) => string;
  pduHash: (event: JsonObject) => string;
  eventId: (event: JsonObject) => string;
  redact: (event: JsonObject) => JsonObject;
  /** What is wrong with an event; empty when nothing is. */
  checkPdu: (pdu: JsonObject, keysOf: (server: string) => PublicKeys) => string[];
}

export const algorithms = (await import(pathToFileURL(sharedPath('peer/lm-peer.mjs')).href)) as Algorithms;
