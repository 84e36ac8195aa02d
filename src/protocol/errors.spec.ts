import { expect, it } from 'vitest';
import { MatrixError } from './errors.js';

it('an error of the protocol is a code, a sentence, and how long to wait', () => {
  const error = new MatrixError('M_LIMIT_EXCEEDED', 429, 'too fast', { retry_after_ms: 5 });
  expect(error.body()).toEqual({ errcode: 'M_LIMIT_EXCEEDED', error: 'too fast', retry_after_ms: 5 });
  expect(error).toMatchObject({ status: 429, message: 'too fast' });
  expect(new MatrixError('M_FORBIDDEN', 403, 'no').body()).toEqual({ errcode: 'M_FORBIDDEN', error: 'no' });
});
