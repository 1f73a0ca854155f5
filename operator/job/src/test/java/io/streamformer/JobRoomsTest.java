package io.streamformer;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;
import org.apache.flink.annotation.Internal;
import org.apache.flink.annotation.Public;

/** Which packages of the ready-made job use which. */
@AnalyzeClasses(
        packages = "io.streamformer.job",
        importOptions = ImportOption.DoNotIncludeTests.class)
class JobRoomsTest {

    private static final String JOB = "io.streamformer.job";

    @ArchTest
    static final ArchRule kafka =
            noClasses()
                    .that()
                    .resideOutsideOfPackages(JOB + ".kafka..", JOB + ".format..")
                    .should()
                    .dependOnClassesThat()
                    .resideInAnyPackage("org.apache.kafka..", "org.apache.flink.connector.kafka..");

    @ArchTest
    static final ArchRule roomsDoNotKnowTheJob =
            noClasses()
                    .that()
                    .resideInAPackage(JOB + ".*..")
                    .should()
                    .dependOnClassesThat()
                    .resideInAPackage(JOB);

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
    static final ArchRule noCycles = slices().matching(JOB + ".(*)..").should().beFreeOfCycles();
}
