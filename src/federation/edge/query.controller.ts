import { Injectable } from '@nestjs/common';
import { UserMappings } from '../../mapping/user-mappings.js';
import { type JsonValue, MatrixError, parseRoomAlias, parseUserId, serverOfUser } from '../../protocol/index.js';
import { RoomAliases } from '../../rooms/room-aliases.js';
import { RoomReader } from '../../rooms/room-reader.js';
import { ServerIdentity } from '../../rooms/server-identity.js';
import { type FederationCall, type FederationController, type FederationRoute, parameter } from './call.js';

/** Profiles and room names (profile §4; Matrix: Querying for information). */
@Injectable()
export class QueryController implements FederationController {
  constructor(
    private readonly identity: ServerIdentity,
    private readonly users: UserMappings,
    private readonly aliases: RoomAliases,
    private readonly reader: RoomReader,
  ) {}

  routes(): FederationRoute[] {
    const get = (endpoint: string, handle: FederationRoute['handle']): FederationRoute => ({
      method: 'GET',
      rateLimited: true,
      endpoint: `query_${endpoint}`,
      paths: [`/_matrix/federation/v1/query/${endpoint}`],
      handle,
    });
    return [get('profile', (call) => this.profile(call)), get('directory', (call) => this.directory(call))];
  }

  /** Only for servers in a room with the user: who works here is not for everybody to try out. */
  private async profile({ origin, query }: FederationCall): Promise<JsonValue> {
    const userId = parameter('user_id', query.get('user_id'), parseUserId);
    if (serverOfUser(userId) !== this.identity.serverName) {
      throw new MatrixError('M_INVALID_PARAM', 400, `${userId} is not a user of this server`);
    }
    const user = (await this.reader.sharesRoom(userId, origin)) ? await this.users.find(userId) : null;
    if (user === null) throw new MatrixError('M_NOT_FOUND', 404, 'there is no such user to be seen');
    const profile = {
      displayname: user.displayName,
      ...(user.avatarUrl === null ? {} : { avatar_url: user.avatarUrl }),
    };
    const field = query.get('field');
    return field === null ? profile : Object.fromEntries(Object.entries(profile).filter(([name]) => name === field));
  }

  private async directory({ query }: FederationCall): Promise<JsonValue> {
    const alias = parameter('room_alias', query.get('room_alias'), parseRoomAlias);
    const target = this.aliases.isOurs(alias) ? await this.aliases.find(alias) : undefined;
    if (target === undefined) throw new MatrixError('M_NOT_FOUND', 404, 'there is no such room alias');
    return { room_id: target.roomId, servers: target.servers };
  }
}
