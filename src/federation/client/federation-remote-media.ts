import { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { fileName } from '../../message/index.js';
import type { ServerName } from '../../protocol/index.js';
import { type IncomingFile, MediaError, RemoteMedia } from '../../media/remote-media.js';
import { RemoteRefusal, RemoteUnavailable } from '../../rooms/remote-servers.js';
import { FederationClient } from './federation-client.js';
import { BadMultipart, boundaryOf, filePart } from './multipart.js';

const NOT_FOUND = 404;
const UNKNOWN_TYPE = 'application/octet-stream';
const MAX_TYPE = 100;

/** `media`'s way to other servers (server-server API, GET media/download). */
@Injectable()
export class FederationRemoteMedia extends RemoteMedia {
  constructor(private readonly client: FederationClient) {
    super();
  }

  async download(server: ServerName, mediaId: string): Promise<IncomingFile> {
    const path = `/_matrix/federation/v1/media/download/${encodeURIComponent(mediaId)}`;
    try {
      const { body, headers } = await this.client.open(server, path);
      const { headers: part, content } = await filePart(body, boundaryOf(String(headers['content-type'] ?? '')));
      const location = part.get('location');
      if (location !== undefined) return await this.elsewhere(location, part);
      return fileOf(Readable.from(content), part);
    } catch (error) {
      throw mediaError(error);
    }
  }

  /** The server keeps its files at another place, which it names for this once. */
  private async elsewhere(location: string, part: ReadonlyMap<string, string>): Promise<IncomingFile> {
    const { body, headers } = await this.client.openPublic(location);
    const type = headers['content-type'];
    const named = new Map(part);
    if (typeof type === 'string' && !named.has('content-type')) named.set('content-type', type);
    return fileOf(body, named);
  }
}

function fileOf(stream: Readable, headers: ReadonlyMap<string, string>): IncomingFile {
  return {
    stream,
    mimeType: (headers.get('content-type') ?? UNKNOWN_TYPE).slice(0, MAX_TYPE),
    name: nameOf(headers.get('content-disposition') ?? '') ?? 'file',
  };
}

/** RFC 6266: `filename*` before `filename`. */
function nameOf(disposition: string): string | undefined {
  const encoded = /filename\*=utf-8''([^;\s]{1,1000})/i.exec(disposition)?.[1];
  const plain = /filename=(?:"([^"]{1,500})"|([^;\s]{1,500}))/i.exec(disposition);
  const name = encoded === undefined ? (plain?.[1] ?? plain?.[2]) : decoded(encoded);
  return name === undefined ? undefined : fileName(name);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function mediaError(error: unknown): unknown {
  if (error instanceof RemoteRefusal) {
    const gone = error.status === NOT_FOUND || error.status === 403;
    return new MediaError(gone ? 'gone' : 'unavailable', error.message);
  }
  if (error instanceof RemoteUnavailable || error instanceof BadMultipart) {
    return new MediaError('unavailable', error.message);
  }
  return error;
}
