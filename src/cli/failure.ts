/** Why a command did not do what was asked: one sentence for the person at the terminal. */
export class CommandFailure extends Error {}
