// eslint-disable-next-line no-control-regex -- no database keeps NUL, and no log wants the others
const CONTROL = /[\u0000-\u001f\u007f-\u009f]+/g;

/** What another server says, as it may be kept, logged and shown: of at most `most` characters; undefined when it is no text. */
export function remoteText(value: unknown, most: number): string | undefined {
  return typeof value === 'string' ? value.slice(0, most).replace(CONTROL, ' ').toWellFormed() : undefined;
}
