package io.streamformer;

import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;

/** The arrows between the packages, and who may know which library. */
@AnalyzeClasses(packages = "io.streamformer", importOptions = ImportOption.DoNotIncludeTests.class)
class ArchitectureTest {

    private static final String ROOT = "io.streamformer.";

    @ArchTest static final ArchRule optionsKnowNoOther = knowsOnly("options");

    @ArchTest static final ArchRule bundle = knowsOnly("bundle", "options");

    @ArchTest static final ArchRule batchKnowsNoOther = knowsOnly("batch");

    @ArchTest static final ArchRule tokenize = knowsOnly("tokenize", "bundle");

    @ArchTest
    static final ArchRule inference = knowsOnly("inference", "options", "bundle", "tokenize");

    @ArchTest
    static final ArchRule decode =
            knowsOnly("decode", "options", "bundle", "tokenize", "inference");

    @ArchTest
    static final ArchRule pipeline =
            knowsOnly("pipeline", "options", "bundle", "tokenize", "batch", "inference", "decode");

    @ArchTest static final ArchRule onnxRuntime = onlyIn("inference", "ai.onnxruntime..");

    @ArchTest static final ArchRule tokenizers = onlyIn("tokenize", "ai.djl..");

    @ArchTest
    static final ArchRule flink =
            onlyIn("flink", "org.apache.flink..", "org.apache.kafka..", "org.apache.avro..");

    @ArchTest
    static final ArchRule noCycles = slices().matching(ROOT + "(*)..").should().beFreeOfCycles();

    private static ArchRule knowsOnly(String name, String... others) {
        String[] allowed = new String[others.length + 1];
        allowed[0] = ROOT + name + "..";
        for (int i = 0; i < others.length; i++) {
            allowed[i + 1] = ROOT + others[i] + "..";
        }
        return noClasses()
                .that()
                .resideInAPackage(ROOT + name + "..")
                .should()
                .dependOnClassesThat(
                        resideInAnyPackage("io.streamformer..")
                                .and(
                                        com.tngtech.archunit.base.DescribedPredicate.not(
                                                resideInAnyPackage(allowed))));
    }

    private static ArchRule onlyIn(String name, String... libraries) {
        return noClasses()
                .that()
                .resideOutsideOfPackage(ROOT + name + "..")
                .and()
                // The records of the topics are generated into a package of their own.
                .resideOutsideOfPackage(ROOT + "schemas..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(libraries);
    }
}
