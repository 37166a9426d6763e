/**
 * node:http for everybody here. To import the module by its name is to read everything that it exports, its WebSocket
 * among it, and that brings in a second HTTP client: 4 MB, and work at the start, for what nobody uses.
 */
export const { createServer, request } = process.getBuiltinModule('node:http')
