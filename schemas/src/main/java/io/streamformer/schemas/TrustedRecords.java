package io.streamformer.schemas;

import org.apache.avro.util.ClassSecurityValidator;
import org.apache.avro.util.ClassSecurityValidator.ClassSecurityPredicate;

/**
 * Avro's leave to make the records of the topics. Since 1.12.2 Avro makes no class that a program
 * did not name, by a system property or as here; other names stay as they are.
 */
public final class TrustedRecords {

    private TrustedRecords() {}

    /** Adds the package of the records to what Avro trusts, unless it is there. */
    public static synchronized void ensure() {
        ClassSecurityPredicate present = ClassSecurityValidator.getGlobal();
        if (!present.isTrusted(TextEvent.class)) {
            ClassSecurityValidator.setGlobal(
                    ClassSecurityValidator.composite(present, TrustedRecords::isRecord));
        }
    }

    private static boolean isRecord(Class<?> type) {
        return type.getPackageName().equals(TextEvent.class.getPackageName());
    }
}
