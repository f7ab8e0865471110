/** Pins: names of variants that collections keep, with all they refer to. */
import { EMPTY, utf8 } from '../bytes.ts';
import type { ServiceOptions } from '../castore/blobService.ts';
import { DIGEST_BYTES, Digest } from '../castore/digest.ts';
import { NarthexError } from '../errors.ts';
import type { VariantKey } from '../pathinfo/currentView.ts';
import { formatHashPart, STORE_PATH_DIGEST_BYTES } from '../storePath.ts';
import { decodeU48, encodeU48, variantRowKey } from './schema.ts';
import type { StoreIndex } from './storeIndex.ts';

const TIME_BYTES = 6;

/** The longest name of a pin, in bytes of UTF-8: that of a file. */
export const PIN_NAME_MAX_BYTES = 255;

/** A pin. */
export interface Pin extends VariantKey {
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly pinnedAt: number;
}

/** The pins of a store. Failures are `STORE_FAILED`, damage is `STORE_INVALID`. */
export class StorePinService {
  readonly #index: StoreIndex;
  readonly #checkWritable: () => void;

  /** @param checkWritable throws when the store takes no writes */
  constructor(index: StoreIndex, checkWritable: () => void) {
    this.#index = index;
    this.#checkWritable = checkWritable;
  }

  /**
   * Pins a variant. A pin of the same name is moved.
   * @returns the pin that had the name
   * @throws PATH_NOT_FOUND the variant is not kept
   * @throws USAGE the name is empty, too long, or would break a line
   * @throws READ_ONLY
   */
  async put(
    name: string,
    { digest, closureDigest }: VariantKey,
    now: number,
    options?: ServiceOptions,
  ): Promise<Pin | undefined> {
    options?.signal?.throwIfAborted();
    this.#checkWritable();
    const key = nameKey(name);
    const { pin, variant } = this.#index.tables;
    return await this.#index.transaction(() => {
      if (!variant.has(variantRowKey(digest, closureDigest))) {
        throw new NarthexError(
          'PATH_NOT_FOUND',
          `${formatHashPart(digest)} has no variant ${closureDigest}`,
          { closureDigest: String(closureDigest) },
        );
      }
      const before = pin.get(key);
      pin.put(key, Buffer.concat([encodeU48(now), digest, closureDigest.bytes]));
      return before && decodePin(key, before);
    });
  }

  /**
   * Removes a pin.
   * @returns the pin, or `undefined` when there was none of that name
   * @throws USAGE | READ_ONLY
   */
  async remove(name: string, options?: ServiceOptions): Promise<Pin | undefined> {
    options?.signal?.throwIfAborted();
    this.#checkWritable();
    const key = nameKey(name);
    const { pin } = this.#index.tables;
    return await this.#index.transaction(() => {
      const before = pin.get(key);
      if (before !== undefined) pin.remove(key);
      return before && decodePin(key, before);
    });
  }

  /** All pins in the order of their names' bytes. */
  async *list(options?: ServiceOptions): AsyncGenerator<Pin> {
    for (const { key, value } of this.#index.tables.pin.withPrefix(EMPTY)) {
      options?.signal?.throwIfAborted();
      yield decodePin(key, value);
    }
  }
}

function nameKey(name: string): Uint8Array {
  const key = utf8(name);
  if (key.length > 0 && key.length <= PIN_NAME_MAX_BYTES && !/\p{Cc}/u.test(name)) return key;
  throw new NarthexError(
    'USAGE',
    `the name of a pin has 1 to ${PIN_NAME_MAX_BYTES} bytes and no control characters`,
    { actual: key.length },
  );
}

/** A row of `pin`. @throws STORE_INVALID */
export function decodePin(key: Uint8Array, value: Uint8Array): Pin {
  const digestEnd = TIME_BYTES + STORE_PATH_DIGEST_BYTES;
  if (value.length !== digestEnd + DIGEST_BYTES) {
    throw new NarthexError('STORE_INVALID', 'a pin in the index is damaged', {
      actual: value.length,
    });
  }
  return {
    name: Buffer.from(key).toString(),
    pinnedAt: decodeU48(value.subarray(0, TIME_BYTES)),
    digest: value.slice(TIME_BYTES, digestEnd),
    closureDigest: new Digest(value.slice(digestEnd)),
  };
}
