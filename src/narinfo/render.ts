/** {@link NarInfo} → text, in the order of keys that Nix writes. */
import { NarthexError } from '../errors.ts';
import { excerpt } from '../excerpt.ts';
import { isFieldText } from './fields.ts';
import type { NarInfo } from './narinfo.ts';

/**
 * The text of a narinfo; what is `undefined` is left out. `References: ` always has its space, for
 * without it Nix swallows the next line, and the last line ends with LF.
 * @throws NARINFO_INVALID for text that would not stay in its line, or an empty URL
 */
export function renderNarInfo(info: NarInfo): string {
  return [
    line('StorePath', info.storePath.absolute),
    line('URL', required('URL', info.url)),
    line('Compression', required('Compression', info.compression)),
    line('FileHash', info.fileHash?.toNixbase32()),
    line('FileSize', info.fileSize?.toString()),
    line('NarHash', info.narHash.toNixbase32()),
    line('NarSize', info.narSize.toString()),
    line('References', info.references.map(({ baseName }) => baseName).join(' ')),
    line('Deriver', info.deriver?.baseName),
    line('System', info.system),
    ...info.signatures.map((signature) => line('Sig', signature.toString())),
    line('CA', info.ca?.toString()),
  ].join('');
}

function line(key: string, value: string | undefined): string {
  if (value === undefined) return '';
  if (!isFieldText(value)) {
    throw new NarthexError('NARINFO_INVALID', `${key} has control characters`, {
      field: key,
      actual: excerpt(value),
    });
  }
  return `${key}: ${value}\n`;
}

function required(key: string, value: string): string {
  if (value === '') throw new NarthexError('NARINFO_INVALID', `${key} is empty`, { field: key });
  return value;
}
