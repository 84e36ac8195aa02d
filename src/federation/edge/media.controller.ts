import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { Configuration } from '../../config/index.js';
import { Media, type OpenedFile } from '../../media/media.js';
import { MediaError } from '../../media/remote-media.js';
import { MatrixError } from '../../protocol/index.js';
import { RoomReader } from '../../rooms/room-reader.js';
import {
  type FederationCall,
  type FederationController,
  type FederationRoute,
  StreamAnswer,
  parameter,
} from './call.js';

const MEDIA_ID = /^[A-Za-z0-9_-]{1,255}$/;

/** Files of our people, for the servers in whose rooms they were said (server-server API, Content Repository, Matrix 1.11). */
@Injectable()
export class MediaController implements FederationController {
  constructor(
    private readonly configuration: Configuration,
    private readonly media: Media,
    private readonly reader: RoomReader,
  ) {}

  routes(): FederationRoute[] {
    return [
      {
        method: 'GET',
        rateLimited: true,
        endpoint: 'media_download',
        paths: ['/_matrix/federation/v1/media/download/:mediaId'],
        handle: (call) => this.download(call),
      },
    ];
  }

  /** To a server that has no part in the room, a file of it is none: that it is there is not for everybody to know. */
  private async download({ origin, params }: FederationCall): Promise<StreamAnswer> {
    const mediaId = parameter('mediaId', params.mediaId, (text) => (MEDIA_ID.test(text) ? text : undefined));
    const roomId = await this.media.roomOf(mediaId);
    if (roomId === undefined || !(await this.reader.hasJoinedUser(roomId, origin))) throw NOT_FOUND;
    try {
      return multipart(await this.media.open(`mxc://${this.configuration.serverName}/${mediaId}`));
    } catch (error) {
      if (error instanceof MediaError) throw NOT_FOUND;
      throw error;
    }
  }
}

const NOT_FOUND = new MatrixError('M_NOT_FOUND', 404, 'there is no such file to be seen');

/** Two parts: JSON that says nothing yet, and the file. */
function multipart({ stream, mimeType, name }: OpenedFile): StreamAnswer {
  const boundary = randomBytes(24).toString('hex');
  const disposition = `attachment; filename*=utf-8''${encodeURIComponent(name)}`;
  async function* parts(): AsyncGenerator<Buffer> {
    yield Buffer.from(
      `--${boundary}\r\nContent-Type: application/json\r\n\r\n{}\r\n--${boundary}\r\n` +
        `Content-Type: ${mimeType}\r\nContent-Disposition: ${disposition}\r\n\r\n`,
    );
    for await (const chunk of stream as AsyncIterable<Buffer>) yield chunk;
    yield Buffer.from(`\r\n--${boundary}--\r\n`);
  }
  return new StreamAnswer(`multipart/mixed; boundary=${boundary}`, Readable.from(parts(), { objectMode: false }));
}
