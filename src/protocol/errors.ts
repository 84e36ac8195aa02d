const ERROR_CODES = [
  'M_UNKNOWN',
  'M_FORBIDDEN',
  'M_NOT_JSON',
  'M_BAD_JSON',
  'M_LIMIT_EXCEEDED',
  'M_TOO_LARGE',
  'M_UNRECOGNIZED',
  'M_NOT_FOUND',
  'M_WRONG_SERVER',
  'M_INCOMPATIBLE_ROOM_VERSION',
  'M_BAD_STATE',
  'M_MISSING_PARAM',
  'M_INVALID_PARAM',
] as const;

/** The draft's error codes (LM-04 §Errors and the endpoints). */
export type MatrixErrorCode = (typeof ERROR_CODES)[number];

/** A code that another server gave; M_UNKNOWN for those that the draft does not have. */
export function toErrorCode(value: unknown): MatrixErrorCode {
  return ERROR_CODES.find((code) => code === value) ?? 'M_UNKNOWN';
}

/** Thrown at the HTTP edge alone; becomes `{errcode, error}` with `status`. */
export class MatrixError extends Error {
  constructor(
    readonly errcode: MatrixErrorCode,
    readonly status: number,
    message: string,
    readonly extra: { retry_after_ms?: number } = {},
  ) {
    super(message);
  }

  body(): { errcode: string; error: string; retry_after_ms?: number } {
    return { errcode: this.errcode, error: this.message, ...this.extra };
  }
}
