import { DefaultNamingStrategy } from 'typeorm';

/** `headEventId` in code is `head_event_id` in SQL, on both engines. */
export class SnakeCaseNaming extends DefaultNamingStrategy {
  override columnName(propertyName: string, customName: string | undefined): string {
    return customName ?? propertyName.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  }
}
