/** Resources that are open once and used by many: opened for the first of them, closed after the last. */

interface Shared<T> {
  users: number;
  readonly opened: Promise<T>;
  /** Set once the last has left. */
  closed: Promise<void> | undefined;
}

/** A share in a resource. */
export interface Share<T> {
  readonly value: T;
  /** To be called once; throws what closing does, if it was the last. */
  leave(): Promise<void>;
}

/** Resources by key. */
export class SharedResources<T> {
  readonly #close: (value: T) => Promise<void>;
  readonly #shared = new Map<string, Shared<T>>();

  constructor(close: (value: T) => Promise<void>) {
    this.#close = close;
  }

  /**
   * Opens it, or joins those who have it open. What is just being closed is opened after that.
   * @throws what `open` does
   */
  async enter(key: string, open: () => Promise<T>): Promise<Share<T>> {
    for (;;) {
      const known = this.#shared.get(key);
      if (known?.closed === undefined) return await this.#join(key, known ?? this.#add(key, open));
      // how that ends is told to whoever left last
      await known.closed.catch(() => {});
    }
  }

  #add(key: string, open: () => Promise<T>): Shared<T> {
    const shared: Shared<T> = { users: 0, opened: open(), closed: undefined };
    this.#shared.set(key, shared);
    return shared;
  }

  async #join(key: string, shared: Shared<T>): Promise<Share<T>> {
    shared.users++;
    try {
      const value = await shared.opened;
      return { value, leave: () => this.#leave(key, shared, value) };
    } catch (error) {
      if (this.#shared.get(key) === shared) this.#shared.delete(key);
      throw error;
    }
  }

  async #leave(key: string, shared: Shared<T>, value: T): Promise<void> {
    if (--shared.users > 0) return;
    shared.closed = this.#close(value).finally(() => this.#shared.delete(key));
    await shared.closed;
  }
}
