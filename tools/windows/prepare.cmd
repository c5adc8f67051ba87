@echo off
rem Lets the python.exe of this folder, and no other program, through Windows' firewall, so that
rem answers of DHCP (UDP 68), mDNS and LLMNR arrive. Run it as administrator, once in each place
rem that the folder is copied to. "prepare.cmd undo" takes the rule away again.
setlocal
set "RULE=cube-acceptance"
set "PROGRAM=%~dp0python\python.exe"
set "STATUS=0"

fltmc >nul 2>&1
if errorlevel 1 goto ordinary
rem Whoever once said no to Windows' question has rules that forbid: they would win.
netsh advfirewall firewall delete rule name=all program="%PROGRAM%" >nul 2>&1
if /i "%~1"=="undo" goto undone
netsh advfirewall firewall add rule name="%RULE%" dir=in action=allow protocol=UDP program="%PROGRAM%" profile=any enable=yes
if errorlevel 1 goto refused
echo Freigegeben / let through: %PROGRAM%
echo Wieder entfernen / to undo: "%~f0" undo
echo   netsh advfirewall firewall delete rule name="%RULE%" program="%PROGRAM%"
goto end

:undone
echo Die Regel ist entfernt.
echo The rule is gone.
goto end

:ordinary
echo Bitte mit Rechtsklick "Als Administrator" starten.
echo Please start it by a right click, "Run as administrator".

:refused
set "STATUS=1"

:end
rem The window of a right click closes with the last line.
pause
exit /b %STATUS%
