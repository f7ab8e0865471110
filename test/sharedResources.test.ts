import { describe, expect, test } from 'vitest';
import { SharedResources } from '../src/sharedResources.ts';

/** Resources that are numbered in the order in which they were opened. */
function numbered() {
  const log: string[] = [];
  let closing: Promise<void> = Promise.resolve();
  let count = 0;
  const resources = new SharedResources<number>(async (value) => {
    log.push(`close ${value}`);
    await closing;
    log.push(`closed ${value}`);
  });
  const open = async () => {
    log.push(`open ${++count}`);
    return count;
  };
  return {
    resources,
    open,
    log,
    closeAfter(promise: Promise<void>) {
      closing = promise;
    },
  };
}

describe('shared resources', () => {
  test('are opened for the first and closed after the last', async () => {
    const { resources, open, log } = numbered();
    const [a, b] = await Promise.all([resources.enter('x', open), resources.enter('x', open)]);
    expect([a.value, b.value]).toEqual([1, 1]);
    await a.leave();
    expect(log).toEqual(['open 1']);
    await b.leave();
    expect(log).toEqual(['open 1', 'close 1', 'closed 1']);
    expect((await resources.enter('x', open)).value).toBe(2);
  });

  test('of different keys have nothing to do with each other', async () => {
    const { resources, open } = numbered();
    const a = await resources.enter('x', open);
    const b = await resources.enter('y', open);
    expect([a.value, b.value]).toEqual([1, 2]);
  });

  test('what is being closed is opened again after that, even where closing fails', async () => {
    const { resources, open, log, closeAfter } = numbered();
    const closing = Promise.withResolvers<void>();
    closeAfter(closing.promise);
    const leaving = (await resources.enter('x', open)).leave();
    const next = resources.enter('x', open);
    closing.reject(new Error('it does not close'));
    await expect(leaving).rejects.toThrow('it does not close');
    expect((await next).value).toBe(2);
    expect(log).toEqual(['open 1', 'close 1', 'open 2']);
  });

  test('what does not open fails for all who wait, and is tried again by the next', async () => {
    const { resources, open } = numbered();
    const failing = () => Promise.reject(new Error('it does not open'));
    const both = [resources.enter('x', failing), resources.enter('x', open)];
    expect((await Promise.allSettled(both)).map(({ status }) => status)).toEqual([
      'rejected',
      'rejected',
    ]);
    expect((await resources.enter('x', open)).value).toBe(1);
  });
});
