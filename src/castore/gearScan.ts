/**
 * The rolling hash of content-defined chunking, in WebAssembly: JavaScript checks every access to an array,
 * which makes the loop take two to three times as long, and longer still before it is compiled.
 */
import { GEAR_SCAN_BINARY } from './gearScanBinary.ts';

/** What `gearScan.wat` exports. The types of Node leave WebAssembly out. */
interface GearScanExports {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly hash: { value: number };
  scan(at: number, end: number, mask: number): number;
}

declare const WebAssembly: {
  readonly Module: new (binary: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
};

/** One random 32-bit number for each byte value, from splitmix32 with a fixed seed. */
const GEAR = /* @__PURE__ */ (() => {
  const table = new Int32Array(256);
  let state = 0x6e617274; // "nart"
  for (let i = 0; i < table.length; i++) {
    state = (state + 0x9e3779b9) | 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    table[i] = z ^ (z >>> 15);
  }
  return table;
})();

/** Bytes are copied to where the module sees them, so many at a time: they stay in the processor's cache. */
const WINDOW_BYTES = 32 * 1024;

/** One for each thread: it keeps nothing between two calls. */
let loaded: { readonly scanner: GearScanExports; readonly window: Uint8Array } | undefined;

function load() {
  const module = new WebAssembly.Module(Buffer.from(GEAR_SCAN_BINARY, 'base64'));
  // the binary is ours, and test/castore/gearScan.test.ts calls all of it
  const scanner = new WebAssembly.Instance(module).exports as GearScanExports;
  const { buffer } = scanner.memory;
  new Int32Array(buffer).set(GEAR);
  return { scanner, window: new Uint8Array(buffer, GEAR.byteLength, WINDOW_BYTES) };
}

/**
 * The gear hash of the bytes that have come: `hash = (hash << 1) + GEAR[byte]`, in 32 bits, so that it depends on
 * the last 32 bytes.
 */
export class GearHash {
  #hash = 0;

  /** Begins anew. */
  reset(): void {
    this.#hash = 0;
  }

  /**
   * Takes in the bytes from `start` up to `end` (not included), up to the first one after which no bit of `mask`
   * is set in the hash.
   * @returns the offset behind that one; 0 where there is none. What comes after it is for a hash that begins anew
   */
  scan(bytes: Uint8Array, start: number, end: number, mask: number): number {
    loaded ??= load();
    const { scanner, window } = loaded;
    scanner.hash.value = this.#hash;
    for (let at = start; at < end; at += WINDOW_BYTES) {
      const length = Math.min(end - at, WINDOW_BYTES);
      window.set(bytes.subarray(at, at + length));
      const found = scanner.scan(window.byteOffset, window.byteOffset + length, mask);
      if (found > 0) return at + found - window.byteOffset;
    }
    this.#hash = scanner.hash.value;
    return 0;
  }
}
