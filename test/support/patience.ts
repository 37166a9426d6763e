/** How many times longer than on an ordinary machine things may take: 20 where the machine itself is emulated. */
export const PATIENCE = Number(process.env.OPENSPAN_PATIENCE || 1)

/** A time limit, in milliseconds or any other unit, for the machine that this runs on. */
export const patient = (limit: number): number => limit * PATIENCE
