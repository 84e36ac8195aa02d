export { ServerLists } from './server-lists.js';
export { ConfigModule } from './config.module.js';
export { Configuration, ConfigurationError, loadConfiguration } from './configuration.js';
export type { DatabaseLocation, Listen, PlatformSettings, RetainedTable } from './values.js';
