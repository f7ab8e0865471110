/** Addresses to listen at, as options. */
import {
  LISTEN_FORM,
  type ListenAddress,
  parseListenAddress,
} from '../composition/config/listenAddress.ts';
import type { OptionValues } from './command.ts';
import { text, wrongOption } from './options.ts';

/** The address of an option. @throws USAGE */
export function listenAddressOf(values: OptionValues, option: string): ListenAddress | undefined {
  const given = text(values, option);
  const address = given === undefined ? undefined : parseListenAddress(given);
  if (given !== undefined && address === undefined) throw wrongOption(option, LISTEN_FORM, given);
  return address;
}
