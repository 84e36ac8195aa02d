import type { Logger } from '@nestjs/common';
import { LogLevel, type Logger as SdkLogger } from '@slack/web-api';

/** What the official libraries say goes where our own words go; what they call an error is one of the network, which is told by us. */
export function sdkLogger(logger: Logger): SdkLogger {
  const quiet = (): void => undefined;
  const say = (...words: unknown[]): void => logger.debug(words.map(String).join(' '));
  return {
    debug: quiet,
    info: quiet,
    warn: say,
    error: say,
    setLevel: quiet,
    getLevel: () => LogLevel.WARN,
    setName: quiet,
  };
}
