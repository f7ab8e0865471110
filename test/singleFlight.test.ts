import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { abortable } from '../src/abortable.ts';
import { SingleFlight } from '../src/singleFlight.ts';

// a rejection that nobody handles fails the whole run in vitest; this one says which file it was
const unhandled: unknown[] = [];
const onUnhandled = (reason: unknown) => unhandled.push(reason);
beforeAll(() => {
  process.on('unhandledRejection', onUnhandled);
});
afterAll(async () => {
  await settled();
  process.off('unhandledRejection', onUnhandled);
  expect(unhandled).toEqual([]);
});

/** Lets everything that is due happen. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

/** Work that ends when it is told to, or when it is aborted. */
function controlledWork<T>() {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const signals: AbortSignal[] = [];
  return {
    resolve,
    reject,
    signals,
    work(signal: AbortSignal): Promise<T> {
      signals.push(signal);
      signal.addEventListener('abort', () => reject(signal.reason));
      return promise;
    },
  };
}

describe('SingleFlight', () => {
  test('shares work and result among those who ask at the same time', async () => {
    const flight = new SingleFlight<number>();
    const { work, resolve, signals } = controlledWork<number>();
    const all = [1, 2, 3].map(() => flight.run('key', undefined, work));
    resolve(7);
    expect(await Promise.all(all)).toEqual([7, 7, 7]);
    expect(signals.length).toBe(1);
  });

  test('remembers nothing: later ones work again, after a success as after a failure', async () => {
    const flight = new SingleFlight<number>();
    let runs = 0;
    const work = async () => {
      runs++;
      if (runs === 2) throw new Error('second');
      return runs;
    };
    expect(await flight.run('key', undefined, work)).toBe(1);
    await expect(flight.run('key', undefined, work)).rejects.toThrow('second');
    expect(await flight.run('key', undefined, work)).toBe(3);
  });

  test('keys are apart', async () => {
    const flight = new SingleFlight<string>();
    const all = ['a', 'b'].map((key) => flight.run(key, undefined, async () => key));
    expect(await Promise.all(all)).toEqual(['a', 'b']);
  });

  test('a failure is the same for all', async () => {
    const flight = new SingleFlight<number>();
    const { work, reject } = controlledWork<number>();
    const all = [1, 2, 3].map(() => flight.run('key', undefined, work));
    const error = new Error('shared');
    reject(error);
    const results = await Promise.allSettled(all);
    expect(results).toEqual(Array(3).fill({ status: 'rejected', reason: error }));
  });

  test('one who aborts leaves at once; the work goes on for the others', async () => {
    const flight = new SingleFlight<number>();
    const { work, resolve, signals } = controlledWork<number>();
    const leaving = new AbortController();
    const left = flight.run('key', leaving.signal, work);
    const stays = flight.run('key', new AbortController().signal, work);
    leaving.abort(new Error('leaving'));
    await expect(left).rejects.toThrow('leaving');
    expect(signals[0]?.aborted).toBe(false);
    const joins = flight.run('key', undefined, work);
    resolve(7);
    expect(await Promise.all([stays, joins])).toEqual([7, 7]);
    expect(signals.length).toBe(1);
  });

  test('the last one who aborts aborts the work, with the reason, and waits for its end', async () => {
    const flight = new SingleFlight<number>();
    const ended = Promise.withResolvers<number>();
    let aborted: unknown;
    const work = (signal: AbortSignal) => {
      signal.addEventListener('abort', () => {
        aborted = signal.reason;
      });
      return ended.promise;
    };
    const [first, last] = [new AbortController(), new AbortController()];
    const waiting = [first, last].map(({ signal }) => flight.run('key', signal, work));
    const settledAs = waiting.map((one) => one.catch((error: unknown) => error));
    first.abort(new Error('first'));
    await settled();
    expect(aborted).toBeUndefined();
    const reason = new Error('last');
    last.abort(reason);
    await settled();
    expect(aborted).toBe(reason);
    const over = await Promise.race([settledAs[1], Promise.resolve('the work goes on')]);
    expect(over).toBe('the work goes on');
    ended.resolve(1); // too late to be an answer
    expect(await Promise.all(settledAs)).toEqual([new Error('first'), reason]);
  });

  test('nobody joins work that is being aborted', async () => {
    const flight = new SingleFlight<number>();
    const slow = controlledWork<number>();
    const ended = Promise.withResolvers<void>();
    const leaving = new AbortController();
    const left = flight.run('key', leaving.signal, async (signal) => {
      await slow.work(signal).catch(() => ended.promise);
      throw new Error('aborted');
    });
    const leftWith = left.catch((error: unknown) => error);
    leaving.abort(new Error('leaving'));
    await settled();
    const next = flight.run('key', undefined, async () => 2);
    expect(await next).toBe(2);
    ended.resolve();
    expect(await leftWith).toEqual(new Error('leaving'));
    // what was aborted ends later and must not take the place of what came after it
    expect(await flight.run('key', undefined, async () => 3)).toBe(3);
  });

  test('who is aborted already starts nothing', async () => {
    const flight = new SingleFlight<number>();
    const { work, signals } = controlledWork<number>();
    const reason = new Error('before');
    await expect(flight.run('key', AbortSignal.abort(reason), work)).rejects.toBe(reason);
    expect(signals).toEqual([]);
  });

  test('work that throws before its first await is a failure like others', async () => {
    const flight = new SingleFlight<number>();
    const error = new Error('at once');
    const work = () => {
      throw error;
    };
    await expect(flight.run('key', undefined, work)).rejects.toBe(error);
    expect(await flight.run('key', undefined, async () => 1)).toBe(1);
  });

  test('an abort after the result changes nothing', async () => {
    const flight = new SingleFlight<number>();
    const controller = new AbortController();
    const { work, resolve, signals } = controlledWork<number>();
    const waiting = flight.run('key', controller.signal, work);
    resolve(7);
    expect(await waiting).toBe(7);
    controller.abort();
    await settled();
    expect(signals[0]?.aborted).toBe(false);
  });

  test('progress goes to all who wait at that moment', async () => {
    const flight = new SingleFlight<string, number>();
    const seen: string[] = [];
    const listen = (who: string) => (progress: number) => seen.push(`${who} ${progress}`);
    const release = Promise.withResolvers<void>();
    const leaving = new AbortController();
    let tell: (progress: number) => void = () => {};
    const work = async (_: AbortSignal, report: (progress: number) => void) => {
      tell = report;
      await release.promise;
      return 'done';
    };
    const a = flight.run('key', leaving.signal, work, listen('a'));
    tell(1);
    const b = flight.run('key', undefined, work, listen('b'));
    tell(2);
    leaving.abort(new Error('a leaves'));
    await expect(a).rejects.toThrow('a leaves');
    tell(3);
    release.resolve();
    expect(await b).toBe('done');
    tell(4);
    expect(seen).toEqual(['a 1', 'a 2', 'b 2', 'b 3']);
  });

  test('two who pass the same listener are told twice', async () => {
    const flight = new SingleFlight<void, number>();
    const seen: number[] = [];
    const listener = (progress: number) => seen.push(progress);
    const release = Promise.withResolvers<void>();
    const work = async (_: AbortSignal, report: (progress: number) => void) => {
      await release.promise;
      report(1);
    };
    const both = [1, 2].map(() => flight.run('key', undefined, work, listener));
    release.resolve();
    await Promise.all(both);
    expect(seen).toEqual([1, 1]);
  });

  test('a thousand waiters on one signal leave nothing on it and cause no warning', async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error) => warnings.push(warning);
    process.on('warning', onWarning);
    const flight = new SingleFlight<number>();
    const { work, resolve } = controlledWork<number>();
    const { signal } = new AbortController();
    const all = Array.from({ length: 1_000 }, () => flight.run('key', signal, work));
    resolve(1);
    await Promise.all(all);
    await settled();
    process.off('warning', onWarning);
    expect(warnings).toEqual([]);
  });
});

describe('abortable', () => {
  test('passes results and failures on', async () => {
    const { signal } = new AbortController();
    expect(await abortable(Promise.resolve(1), undefined)).toBe(1);
    expect(await abortable(Promise.resolve(1), signal)).toBe(1);
    const error = new Error('no');
    await expect(abortable(Promise.reject(error), signal)).rejects.toBe(error);
  });

  test('rejects with the reason as soon as the signal aborts, or has aborted', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const waiting = abortable(new Promise(() => {}), controller.signal);
    controller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    await expect(abortable(Promise.resolve(1), controller.signal)).rejects.toBe(reason);
  });

  test('a failure that nobody waits for any longer is dropped', async () => {
    const controller = new AbortController();
    const { promise, reject } = Promise.withResolvers<never>();
    const waiting = abortable(promise, controller.signal);
    controller.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    reject(new Error('late'));
    await settled();
  });
});
