import * as bridge from './bridge.entity.js';
import * as federation from './federation.entity.js';
import * as media from './media.entity.js';
import * as operation from './operation.entity.js';
import * as room from './room.entity.js';
import * as secret from './secret.entity.js';

export * from './bridge.entity.js';
export * from './federation.entity.js';
export * from './media.entity.js';
export * from './operation.entity.js';
export * from './room.entity.js';
export * from './secret.entity.js';

export const ENTITIES: (new () => object)[] = [bridge, federation, media, operation, room, secret].flatMap(
  (module: Record<string, new () => object>) => Object.values(module),
);
