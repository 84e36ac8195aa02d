/** `npm run faults`: more of everything than the gate has time for. */
export const LONG = process.env.FAULTS === 'long';
