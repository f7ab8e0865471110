/** Asking the members of a group in turn. */
import { type CoolDown, isOutage } from './coolDown.ts';

/** How {@link firstAnswer} asks. */
export interface FirstAnswerOptions {
  readonly signal?: AbortSignal | undefined;
}

/**
 * The first answer that is not `undefined`, in the order of the members. One that fails does not stop
 * the others, and is left alone for a while where it could not be asked at all.
 * @returns `undefined` when all members could be asked and none has it
 * @throws the first failure, when a member failed, or is left alone, and no other has it: a failure
 *   is never absence
 */
export async function firstAnswer<Member extends object, Answer>(
  members: readonly Member[],
  coolDown: CoolDown<Member>,
  ask: (member: Member) => Promise<Answer | undefined>,
  { signal }: FirstAnswerOptions = {},
): Promise<Answer | undefined> {
  const failures: unknown[] = [];
  for (const member of members) {
    signal?.throwIfAborted();
    const earlier = coolDown.failureOf(member);
    if (earlier !== undefined) {
      failures.push(earlier.error);
      continue;
    }
    try {
      const answer = await ask(member);
      coolDown.succeeded(member);
      if (answer !== undefined) return answer;
    } catch (error) {
      signal?.throwIfAborted();
      if (isOutage(error)) coolDown.failed(member, error);
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
  return undefined;
}
