/** Until when an answer must have begun. */
import { NarthexError } from '../errors.ts';
import type { Exchange } from './exchange.ts';

/** Aborts what is done for an exchange: when its client goes away, and when nothing has come of it for long. */
export class AnswerDeadline implements Disposable {
  readonly #controller = new AbortController();
  readonly #gone: AbortSignal;
  readonly #timer: NodeJS.Timeout | undefined;

  /** A request with a body is given all the time that its body takes. */
  constructor({ request, gone }: Exchange, answerTimeoutMs: number) {
    this.#gone = gone;
    if (gone.aborted) this.#leave();
    else gone.addEventListener('abort', this.#leave, { once: true });
    if (request.body === undefined) {
      this.#timer = setTimeout(
        () => this.#controller.abort(noAnswer(answerTimeoutMs)),
        answerTimeoutMs,
      );
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The answer has begun. */
  met(): void {
    clearTimeout(this.#timer);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  readonly #leave = (): void => this.#controller.abort(this.#gone.reason);
}

function noAnswer(answerTimeoutMs: number): NarthexError {
  return new NarthexError('LIMIT_EXCEEDED', `no answer was begun in ${answerTimeoutMs} ms`, {
    limit: 'answerTimeoutMs',
    expected: answerTimeoutMs,
  });
}
