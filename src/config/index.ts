export { ConfigModule } from './config.module.js';
export {
  Configuration,
  ConfigurationError,
  type DatabaseLocation,
  type Listen,
  type PlatformSettings,
  loadConfiguration,
} from './configuration.js';
