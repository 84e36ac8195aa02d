import { type DynamicModule, Module, type Type } from '@nestjs/common';
import { Media } from './media.js';

@Module({})
export class MediaModule {
  /** `remoteMedia` is the module that exports RemoteMedia: how media reaches other servers. */
  static register(remoteMedia: Type): DynamicModule {
    return { module: MediaModule, global: true, imports: [remoteMedia], providers: [Media], exports: [Media] };
  }
}
