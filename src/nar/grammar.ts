/**
 * The grammar of `wire.ts` as a table: in each state, which tokens may come and what they lead to.
 * States without a row expect something that is not a token of the grammar (a name, a size, …).
 */
import { TOKENS, type Token } from './wire.ts';

/** What comes next in the NAR. */
export const State = {
  Magic: 0,
  NodeOpen: 1,
  TypeKey: 2,
  Type: 3,
  RegularKey: 4,
  ExecutableValue: 5,
  ContentsKey: 6,
  FileSize: 7,
  Contents: 8,
  ContentsPadding: 9,
  FileClose: 10,
  TargetKey: 11,
  Target: 12,
  SymlinkClose: 13,
  EntryOrClose: 14,
  EntryOpen: 15,
  NameKey: 16,
  Name: 17,
  NodeKey: 18,
  EntryClose: 19,
  Done: 20,
  Ended: 21,
} as const;
export type State = (typeof State)[keyof typeof State];

/** What is done when a token was read, other than going to a state. */
export const Action = {
  CountEntry: 32,
  SetExecutable: 33,
  StartDirectory: 34,
  EndDirectory: 35,
  EndFile: 36,
  EndSymlink: 37,
  EndEntry: 38,
} as const;
export type Action = (typeof Action)[keyof typeof Action];

/** A token and what it leads to: a state, or an action that finds the state itself. */
export interface Step {
  readonly token: Token;
  /** One kind of number, since comparing strings with numbers shows in the profile. */
  readonly next: State | Action;
}

/** What may come in the states in which a token of the grammar comes. */
export const STEPS: readonly (readonly Step[] | undefined)[] = (() => {
  const table: Partial<Record<State, readonly Step[]>> = {
    [State.Magic]: [{ token: TOKENS.magic, next: State.NodeOpen }],
    [State.NodeOpen]: [{ token: TOKENS.open, next: Action.CountEntry }],
    [State.TypeKey]: [{ token: TOKENS.type, next: State.Type }],
    [State.Type]: [
      { token: TOKENS.regular, next: State.RegularKey },
      { token: TOKENS.directory, next: Action.StartDirectory },
      { token: TOKENS.symlink, next: State.TargetKey },
    ],
    [State.RegularKey]: [
      { token: TOKENS.contents, next: State.FileSize },
      { token: TOKENS.executable, next: Action.SetExecutable },
    ],
    [State.ExecutableValue]: [{ token: TOKENS.empty, next: State.ContentsKey }],
    [State.ContentsKey]: [{ token: TOKENS.contents, next: State.FileSize }],
    [State.FileClose]: [{ token: TOKENS.close, next: Action.EndFile }],
    [State.TargetKey]: [{ token: TOKENS.target, next: State.Target }],
    [State.SymlinkClose]: [{ token: TOKENS.close, next: Action.EndSymlink }],
    [State.EntryOrClose]: [
      { token: TOKENS.entry, next: State.EntryOpen },
      { token: TOKENS.close, next: Action.EndDirectory },
    ],
    [State.EntryOpen]: [{ token: TOKENS.open, next: State.NameKey }],
    [State.NameKey]: [{ token: TOKENS.name, next: State.Name }],
    [State.NodeKey]: [{ token: TOKENS.node, next: State.NodeOpen }],
    [State.EntryClose]: [{ token: TOKENS.close, next: Action.EndEntry }],
  };
  return Object.values(State).map((state) => table[state]);
})();
