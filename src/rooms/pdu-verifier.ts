import { Injectable } from '@nestjs/common';
import {
  type Lpdu,
  type Pdu,
  type ServerName,
  checkContentHashes,
  checkLpduHash,
  checkLpduSignature,
  checkPduSignatures,
  lpduOf,
} from '../protocol/index.js';
import { RemoteServers } from './remote-servers.js';

export interface VerificationFault {
  kind: 'bad_signature' | 'bad_hash';
  reason: string;
  /** Whether the sender's server signed the LPDU in it, whatever else is wrong. */
  senderSigned: boolean;
}

/** Signatures and content hashes of what other servers send (LM-04 §Receiving Events, steps 2 and 3). */
@Injectable()
export class PduVerifier {
  constructor(private readonly remote: RemoteServers) {}

  async lpduFault(lpdu: Lpdu): Promise<VerificationFault | undefined> {
    const hash = checkLpduHash(lpdu);
    if (hash !== 'ok') return { kind: 'bad_hash', reason: hash, senderSigned: false };
    const reason = checkLpduSignature(lpdu, await this.remote.keysFor([lpdu]));
    return reason === undefined ? undefined : { kind: 'bad_signature', reason, senderSigned: false };
  }

  /**
   * What is wrong with each PDU of a room with this hub; a wrong hash is told only where the signatures are good. What another hub
   * completed is not signed by this one, whoever passes it on.
   */
  async pduFaults(pdus: readonly Pdu[], hub: ServerName): Promise<(VerificationFault | undefined)[]> {
    const keysOf = await this.remote.keysFor(pdus);
    return pdus.map((pdu) => {
      const reason = checkPduSignatures(pdu, keysOf) ?? hubFault(pdu, hub);
      if (reason !== undefined) {
        const lpdu = lpduOf(pdu);
        const senderSigned = lpdu !== undefined && checkLpduSignature(lpdu, keysOf) === undefined;
        return { kind: 'bad_signature', reason, senderSigned };
      }
      const hash = checkContentHashes(pdu);
      return hash === 'ok' ? undefined : { kind: 'bad_hash', reason: hash, senderSigned: true };
    });
  }
}

function hubFault({ hub_server: named }: Pdu, hub: ServerName): string | undefined {
  return named === undefined || named === hub ? undefined : `it is for the hub ${named}, not for ${hub}`;
}
