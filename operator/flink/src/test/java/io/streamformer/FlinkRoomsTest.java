package io.streamformer;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;
import io.streamformer.flink.Inference;
import io.streamformer.flink.Streamformer;
import org.apache.flink.annotation.Internal;
import org.apache.flink.annotation.Public;

/**
 * Which packages of the Flink module use which. {@code flink} holds the values of a stream, which
 * every package uses, and two classes that use every package: {@link Streamformer} and {@link
 * Inference}.
 */
@AnalyzeClasses(
        packages = "io.streamformer.flink",
        importOptions = ImportOption.DoNotIncludeTests.class)
class FlinkRoomsTest {

    private static final String FLINK = "io.streamformer.flink";

    @ArchTest
    static final ArchRule entrances =
            noClasses()
                    .that()
                    .resideInAPackage(FLINK + ".*..")
                    .should()
                    .dependOnClassesThat()
                    .belongToAnyOf(Streamformer.class, Inference.class);

    @ArchTest
    static final ArchRule values =
            noClasses()
                    .that()
                    .resideInAPackage(FLINK)
                    .and()
                    .doNotBelongToAnyOf(Streamformer.class, Inference.class)
                    .should()
                    .dependOnClassesThat()
                    .resideInAnyPackage(FLINK + ".*..");

    @ArchTest
    static final ArchRule kafka =
            noClasses().should().dependOnClassesThat().resideInAnyPackage("org.apache.kafka..");

    /** Names of the model and its tokenizer's libraries stay behind the engine. */
    @ArchTest
    static final ArchRule natives =
            noClasses()
                    .should()
                    .dependOnClassesThat()
                    .resideInAnyPackage("ai.onnxruntime..", "ai.djl..");

    /** As Flink marks its own. */
    @ArchTest
    static final ArchRule publicClassesSayWhoMayUseThem =
            classes()
                    .that()
                    .arePublic()
                    .and()
                    .areTopLevelClasses()
                    .should()
                    .beAnnotatedWith(Public.class)
                    .orShould()
                    .beAnnotatedWith(Internal.class);

    @ArchTest
    static final ArchRule noCycles = slices().matching(FLINK + ".(*)..").should().beFreeOfCycles();
}
