/** `none`: the bytes as they are. Nothing tells whether they are whole. */
import type { Decoder } from './decoder.ts';

export const NONE: Decoder = {
  name: 'identity',
  decode: (input) => input.pieces(),
};
