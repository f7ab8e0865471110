/** xz by the fastest library that loads: node-liblzma where its optional package is, else @napi-rs/lzma. */
import type { Decoder } from './decoder.ts';
import { xzLiblzma } from './xzLiblzma.ts';
import { XZ_NAPI } from './xzNapi.ts';

const chosen = () => xzLiblzma() ?? XZ_NAPI;

export const XZ: Decoder = {
  get name() {
    return chosen().name;
  },
  decode: (input, limits, lent) => chosen().decode(input, limits, lent),
};
